import { memoryStore } from '@zerotouch/cloud-sim/store/memory';
import t from 'tap';
import { storeContract } from './contract.js';

storeContract(t, async (t) => {
  const store = memoryStore();
  t.teardown(() => store.close());
  return store;
});
