/** A part of an address as it was meant, without its percent escapes; one whose escapes are broken stays as it is. Source: RFC 3986, section 2.1. */
export function unescaped(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
