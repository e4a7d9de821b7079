/** What is used of React's renderer, which comes without types. */
declare module 'react-dom/client' {
  import type { ReactNode } from 'react';

  export function createRoot(element: Element): { render(node: ReactNode): void; unmount(): void };
}
