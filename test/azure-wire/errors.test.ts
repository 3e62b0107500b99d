import { dpsErrors, errorBody, httpStatusOf, hubErrors, timestampUtc, WireFault } from '@zerotouch/azure-wire/errors';
import { dpsLimits, hubLimits, type Limit } from '@zerotouch/azure-wire/limits';
import t from 'tap';

t.test('an error body in Azure’s shape', async (t) => {
  const body = errorBody(dpsErrors.unauthorized, 'a1b2', Date.UTC(2019, 11, 20, 21, 30, 46, 673));
  t.same(body, { errorCode: 401002, trackingId: 'a1b2', message: 'Unauthorized', timestampUtc: '2019-12-20T21:30:46.6730000Z' });
  t.equal(errorBody(dpsErrors.unauthorized, 'x', 0, 'other words').message, 'other words');
});

t.test('six digits are an HTTP status and a detail', async (t) => {
  t.equal(httpStatusOf(401002), 401);
  for (const { code, message } of [...Object.values(dpsErrors), ...Object.values(hubErrors)]) {
    const status = httpStatusOf(code);
    t.ok(status >= 400 && status < 600, `${code} ${message}`);
  }
});

t.test('times have seven decimals', async (t) => {
  t.equal(timestampUtc(0), '1970-01-01T00:00:00.0000000Z');
});

t.test('a wire fault has a code of the room', async (t) => {
  t.match(new WireFault('BAD_SAS', 'x'), { code: 'BAD_SAS', name: 'WireFault' });
});

t.test('every limit is a positive number with a unit and a source', async (t) => {
  const limits: [string, Limit][] = [...Object.entries(dpsLimits), ...Object.entries(hubLimits)];
  for (const [name, { value, unit, source }] of limits) {
    t.ok(value > 0 && unit !== '' && source !== '', name);
  }
});
