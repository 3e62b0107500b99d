import { deriveDeviceKey, KEY_BYTES, parseKey, sameBytes } from '@zerotouch/azure-wire/keys';
import fc from 'fast-check';
import t from 'tap';

t.test('the device key of the example in concepts-symmetric-key-attestation', async (t) => {
  const groupKey = parseKey('8isrFI1sGsIlvvFSSFRiMfCNzv21fjbE/+ah/lSh3lF8e2YG1Te7w1KpZhJFFXJrqYKi9yegxkqIChbqOS9Egw==');
  const derived = deriveDeviceKey(groupKey, 'sn-007-888-abc-mac-a1-b2-c3-d4-e5-f6');
  t.equal(derived.toString('base64'), 'Jsm0lyGpjaVYVP2g3FnmnmG9dI/9qU24wNoykUmermc=');
});

t.test('a key of 16 to 64 bytes is read back; others are refused', async (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
      const base64 = Buffer.from(bytes).toString('base64');
      if (bytes.length >= KEY_BYTES.min && bytes.length <= KEY_BYTES.max) return sameBytes(parseKey(base64), bytes);
      try {
        parseKey(base64);
        return false;
      } catch (error) {
        return (error as { code?: string }).code === 'BAD_KEY';
      }
    }),
  );
  t.same(parseKey('AAAAAAAAAAAAAAAAAAAAAA'), Buffer.alloc(16), 'padding may be missing');
});

t.test('what is no base64 is refused, and the message does not show it', async (t) => {
  for (const text of ['', 'not a key at all, not at all', 'AAAAAAAAAAAAAAAAAAAAAA==!', 'ÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄ==']) {
    t.throws(() => parseKey(text), { code: 'BAD_KEY', seen: undefined }, JSON.stringify(text));
    try {
      parseKey(text);
    } catch (error) {
      if (text !== '') t.notMatch((error as Error).message, text);
    }
  }
});

t.test('sameBytes compares contents and lengths', async (t) => {
  t.ok(sameBytes(Buffer.from('abc'), new Uint8Array([97, 98, 99])));
  t.notOk(sameBytes(Buffer.from('abc'), Buffer.from('abd')));
  t.notOk(sameBytes(Buffer.from('abc'), Buffer.from('ab')));
});
