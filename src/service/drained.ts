/** What came of asking the clients to go elsewhere. */
export interface Drained {
  /** Those that have left, and those that have not in the time they had. */
  moved: number;
  left: number;
}

/** What came of telling the clients of a relay, which have no other one, that it is about to stop. */
export interface Announced {
  told: number;
}
