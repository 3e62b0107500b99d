import { ProcessLock } from '@zerotouch/foundation/process-lock';

/**
 * Keeps other processes, and single boots, off images that devices write into. Takes all of them, or none.
 * @returns gives them back
 * @throws Fault LOCKED naming the first that a live process has
 */
export function lockImages(images: readonly string[]): Disposable {
  const held: ProcessLock[] = [];
  const giveBack = (): void => {
    for (const lock of held.splice(0)) lock[Symbol.dispose]();
  };
  try {
    for (const image of images) held.push(ProcessLock.take(`${image}.lock`, 'the image is in use'));
  } catch (error) {
    giveBack();
    throw error;
  }
  return { [Symbol.dispose]: giveBack };
}
