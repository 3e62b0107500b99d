// Plain JavaScript, because the build itself needs it too.

/** Latitudes that the map begins and ends at: no hub is in the Antarctic. */
export const north = 82;
export const south = -57;

/** Size of the map, in units of its own. */
export const width = 1000;
export const height = (width * (north - south)) / 360;

/**
 * Where a place is on the map: equirectangular, the Greenwich meridian in the middle.
 * @param {number} latitude degrees
 * @param {number} longitude degrees
 * @returns {[number, number]} from the left, from the top
 */
export function project(latitude, longitude) {
  return [((longitude + 180) / 360) * width, ((north - latitude) / (north - south)) * height];
}
