/** A count with its word: "1 seat", "2 seats". `several` where it is more than an "s" that is added. */
export const counted = (n: number, one: string, several = `${one}s`): string => `${n} ${n === 1 ? one : several}`;
