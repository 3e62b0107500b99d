/** A section of a twin without what the service keeps in it (`$version`, `$metadata`). */
export function withoutService(section: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(section).filter(([key]) => !key.startsWith('$')));
}
