/**
 * A view as a widget that knows whether it is in sight.
 */
import { ReactWidget } from '@jupyterlab/ui-components';
import { Message } from '@lumino/messaging';
import type { JSX } from 'react';

export class SeenWidget extends ReactWidget {
  /** `seen` is told when the view comes into sight and when it goes; `gone` when it is closed. */
  constructor(
    private readonly _view: JSX.Element,
    private readonly _seen: (visible: boolean) => void = () => undefined,
    private readonly _gone: () => void = () => undefined
  ) {
    super();
  }

  dispose(): void {
    if (!this.isDisposed) {
      this._gone();
    }
    super.dispose();
  }

  protected onAfterAttach(message: Message): void {
    super.onAfterAttach(message);
    this._seen(this.isVisible);
  }

  protected onAfterShow(message: Message): void {
    super.onAfterShow(message);
    this._seen(true);
  }

  protected onAfterHide(message: Message): void {
    super.onAfterHide(message);
    this._seen(false);
  }

  protected render(): JSX.Element {
    return this._view;
  }
}
