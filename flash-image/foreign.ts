/** First bytes of files that are handed over by mistake. */
const signatures: readonly (readonly [name: string, hex: string])[] = [
  ['a PNG picture', '89504e47'],
  ['an ELF program (the application before it became an image)', '7f454c46'],
  ['a ZIP archive', '504b0304'],
  ['a gzip archive', '1f8b'],
  ['a PDF document', '25504446'],
  ['PEM text', '2d2d2d2d2d424547494e'],
  ['a partition table by itself', 'aa50'],
  ['an esp_secure_cert partition by itself', '11ba5eba'],
  ['an NVS partition by itself', 'feffffff'],
  ['an NVS partition by itself', 'fcffffff'],
  ['zeros', '00000000000000000000000000000000'],
];

/** What a file that should be a flash image looks like by its first bytes, `undefined` when nothing is known. */
export function foreignName(start: Buffer): string | undefined {
  const text = start.toString('hex');
  return signatures.find(([, signature]) => text.startsWith(signature))?.[0];
}
