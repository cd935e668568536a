/** A component that is drawn again only when a prop changed, or a signal that it reads. */

import { type ComponentType, createElement } from "preact";

export function memo<P extends object>(
  View: ComponentType<P>,
  differ = (one: unknown, other: unknown) => one !== other,
): ComponentType<P> {
  function Memo(this: { props: P; shouldComponentUpdate?: (next: P) => boolean }, props: P) {
    // Always: signals has put one of its own, which compares by identity, into the prototype.
    this.shouldComponentUpdate = function (this: { props: P }, next: P) {
      return Object.keys(next).some((key) => differ(next[key as keyof P], this.props[key as keyof P]));
    };
    return createElement(View, props);
  }
  return Memo as unknown as ComponentType<P>;
}
