/**
 * The page's colours for what is drawn on a canvas, and when they change.
 */

/** The value of a CSS variable at an element; `fallback` outside JupyterLab. */
export function colour(element: Element, variable: string, fallback: string): string {
  return getComputedStyle(element).getPropertyValue(variable).trim() || fallback;
}

/** A colour that lets what is below shine through; `alpha` from 0 to 1. */
export function translucent(colour: string, alpha: number): string {
  const context = document.createElement('canvas').getContext('2d');
  if (context === null) {
    return colour;
  }
  context.fillStyle = colour; // reads back as #rrggbb whatever way it was written
  const opaque = context.fillStyle;
  return opaque.startsWith('#') ? opaque + Math.round(alpha * 255).toString(16).padStart(2, '0') : opaque;
}

/** Call back when the theme of JupyterLab, or of VS Code, changes; returns what ends that. */
export function onThemeChange(callback: () => void): () => void {
  let frame = 0;
  const observer = new MutationObserver(() => {
    cancelAnimationFrame(frame);
    // the name of the theme may come before its colours
    frame = requestAnimationFrame(callback);
  });
  observer.observe(document.body, { attributes: true, attributeFilter: ['data-jp-theme-name', 'data-jp-theme-light', 'data-vscode-theme-id'] });
  return () => {
    cancelAnimationFrame(frame);
    observer.disconnect();
  };
}

/** Fit a canvas to its box at the screen's resolution; returns its size in CSS pixels. */
export function fitCanvas(canvas: HTMLCanvasElement): { context: CanvasRenderingContext2D; width: number; height: number } | null {
  const { clientWidth: width, clientHeight: height } = canvas;
  const context = canvas.getContext('2d');
  if (context === null || width === 0 || height === 0) {
    return null;
  }
  const ratio = window.devicePixelRatio || 1;
  const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== w || canvas.height !== h) {
    canvas.width = w;
    canvas.height = h;
  }
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return { context, width, height };
}
