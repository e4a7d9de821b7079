/**
 * The icon of files with images of the sky.
 */
import { LabIcon } from '@jupyterlab/ui-components';

/** A framed patch of the sky, with a source in it. */
export const skyImageIcon = new LabIcon({
  name: 'jupyter-uws:sky-image',
  svgstr: `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24" width="16">
  <g class="jp-icon3" fill="#616161">
    <path class="jp-icon3" fill="#616161" d="M3 3h18v18H3zm2 2v14h14V5z" fill-rule="evenodd"/>
    <path class="jp-icon3" fill="#616161" d="m11 7 1.2 3.8L16 12l-3.8 1.2L11 17l-1.2-3.8L6 12l3.8-1.2z"/>
    <circle class="jp-icon3" fill="#616161" cx="16.5" cy="7.5" r="1"/>
  </g>
</svg>`
});
