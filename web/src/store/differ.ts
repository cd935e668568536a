/** For what comes anew each time that it is read. */
export const differ = (one: unknown, other: unknown) => one !== other && JSON.stringify(one) !== JSON.stringify(other);
