import { journalTo } from '@zerotouch/firmware-sim/agent/journal';
import fc from 'fast-check';
import t from 'tap';

t.test('a line an event, with the priority that journald reads', async (t) => {
  const lines: string[] = [];
  const write = (line: string): void => void lines.push(line);
  const fields = { hub: 'hub-weu.azure-devices.net', detail: 'two words', code: undefined, ms: 7 };
  journalTo(write, 'journal')('warning', 'failure', fields);
  journalTo(write, 'words')('info', 'failure', fields);
  journalTo(write, 'json')('error', 'failure', fields);
  t.strictSame(lines, [
    '<4>failure hub=hub-weu.azure-devices.net detail="two words" ms=7\n',
    'failure hub=hub-weu.azure-devices.net detail="two words" ms=7\n',
    '{"priority":"error","event":"failure","hub":"hub-weu.azure-devices.net","detail":"two words","ms":7}\n',
  ]);
});

t.test('whatever a server said, it stays one line, and forges no field', async () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (detail) => {
      let line = '';
      journalTo((text) => {
        line += text;
      }, 'journal')('notice', 'failure', { detail });
      const [, value = ''] = /^<5>failure detail=(.*)\n$/.exec(line) ?? [];
      return (value.startsWith('"') ? JSON.parse(value) : value) === detail && (value.startsWith('"') || !/\s/.test(value));
    }),
  );
});
