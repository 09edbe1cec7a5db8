/**
 * Cuts reservations down to what the limit allows, the first first, so that they can never promise more seats than there
 * are.
 */
export function fitReservations(seatLimit: number, wanted: readonly number[]): number[] {
  let left = seatLimit;
  return wanted.map((seats) => {
    const given = Math.min(seats, left);
    left -= given;
    return given;
  });
}
