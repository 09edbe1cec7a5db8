/** One side of a simulation (`POST /v1/rules:simulate`), as far as commands show it. Times in seconds. */
export interface SimulatedSide {
  readonly refused: number;
  readonly unmet: number;
  readonly peak: number;
  readonly longestWaitSeconds: number;
}

/** The result of a simulation. */
export interface Simulated {
  readonly product: string;
  readonly from: string;
  readonly to: string;
  readonly events: number;
  /** Seats with which nobody would have waited, by the rules of the other side. */
  readonly needed: number;
  readonly today: SimulatedSide & { readonly seats: number };
  readonly other: SimulatedSide & { readonly seats: number };
  readonly days: readonly { readonly day: string; readonly today: SimulatedSide; readonly other: SimulatedSide }[];
}

/** One line of the answer: progress, and at last the result or why there is none. */
export interface SimulationLine {
  readonly progress?: { readonly done: number; readonly at: string };
  readonly result?: Simulated;
  readonly error?: { readonly reason: string; readonly detail: string };
}
