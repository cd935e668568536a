/** A component that is drawn again only when a prop changed, or a signal that it reads. */

import { type ComponentType, createElement } from "preact";

export function memo<P extends object>(View: ComponentType<P>): ComponentType<P> {
  function Memo(this: { props: P; shouldComponentUpdate?: (next: P) => boolean }, props: P) {
    this.shouldComponentUpdate ??= function (this: { props: P }, next: P) {
      return Object.keys(next).some((key) => next[key as keyof P] !== this.props[key as keyof P]);
    };
    return createElement(View, props);
  }
  return Memo as unknown as ComponentType<P>;
}
