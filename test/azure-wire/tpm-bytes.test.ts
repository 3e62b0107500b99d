import { sized, uint16, uint32 } from '@zerotouch/azure-wire/tpm-bytes';
import t from 'tap';

t.test('numbers are big-endian, and a byte string has its size before it', async (t) => {
  t.equal(uint16(0x8001).toString('hex'), '8001');
  t.equal(uint32(0x81010001).toString('hex'), '81010001');
  t.equal(sized(Buffer.of(1, 2), Buffer.of(3)).toString('hex'), '0003010203');
  t.equal(sized().toString('hex'), '0000');
  t.throws(() => sized(Buffer.alloc(0x10000)), { code: 'ERR_OUT_OF_RANGE' });
});
