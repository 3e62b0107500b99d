import { evidenceMatrix } from '@zerotouch/firmware-sim/transport/evidence-matrix';

/** Which ways a row is about. */
const titles: Record<keyof typeof evidenceMatrix, string> = {
  sdk: 'sdk over mqtt and mqtt-ws',
  'sdk amqp': 'sdk over amqp and amqp-ws',
  'sdk http': 'sdk over http',
  wire: 'wire over mqtt and mqtt-ws',
};

type Matrix = Readonly<Record<string, Readonly<Record<string, readonly string[]>>>>;

/** docs/evidence.md: which transport can ever say which word. */
export function evidenceDocument(): string {
  const matrix: Matrix = evidenceMatrix;
  return `# What a transport can tell

The boot machine never looks into an error: each transport sorts what it saw into a word (\`firmware-sim/boot/ports.ts\`). Not every transport can see everything: MQTT
3.1.1 has no 403, 404 or 429 at CONNECT, for one; AMQP has a word for each. Over WebSocket it is what is carried that tells. These are the words each can ever say, by what the device is doing. Made from \`firmware-sim/transport/evidence-matrix.ts\`
by \`npm run docs\`; the tests provoke every word of it with real sockets, and fail when a transport says another, or when one is never said.
${Object.entries(matrix).map(chapter).join('')}`;
}

function chapter([transport, evidence]: [string, Readonly<Record<string, readonly string[]>>]): string {
  const words = [...new Set(Object.values(evidence).flat())];
  const calls = Object.keys(evidence);
  return `
## ${titles[transport as keyof typeof titles]}

| | ${calls.map((call) => `\`${call}\``).join(' | ')} |
| --- | ${calls.map(() => ':---:').join(' | ')} |
${words.map((word) => `| ${word} | ${calls.map((call) => (evidence[call]?.includes(word) === true ? 'x' : '')).join(' | ')} |`).join('\n')}
`;
}
