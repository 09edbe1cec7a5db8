/** Something that a person has to put right. */
export interface Fault {
  readonly reason: string;
  readonly message: string;
}
