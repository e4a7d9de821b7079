/**
 * How the views reach the service: in JupyterLab by HTTP to the page's own origin (`labtransport.ts`), in a widget
 * through the kernel (`widgets/transport.ts`).
 */
export interface ITransport {
  /** Ask the service; rejects with a readable sentence where no answer of the service is to be had. */
  fetch(path: readonly string[], init?: RequestInit, query?: string): Promise<Response>;
  /** The address of something of the service, for links that people follow; each part of the path is quoted. */
  url(path: readonly string[], query?: string): string;
  /** A link in one of the service's documents, as it is followed from here. */
  here(link: string): string;
  /** What an `img` can show of one of these addresses. */
  picture(address: string): Promise<string>;
  events(): IEventSource;
}

/** What of an EventSource is used. */
export interface IEventSource {
  addEventListener(type: string, listener: (event: MessageEvent<string>) => void): void;
  onopen: (() => void) | null;
  onerror: (() => void) | null;
  readonly readyState: number;
  close(): void;
}

/** A path below the service's root, each part quoted. */
export function quoted(path: readonly string[]): string {
  return path.map(encodeURIComponent).join('/');
}
