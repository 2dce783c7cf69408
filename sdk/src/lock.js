// Getting a lock, and noticing that it is lost. Loaded with the first call.

/** @import { Frame } from "./frames.js" */
/** @import { Lock, LockHolder, Readable } from "./types.js" */

/**
 * @param {(frame: Frame) => Promise<Frame>} ask
 * @param {Readable<ReadonlyMap<string, LockHolder>>} locks
 * @param {string} name
 * @param {{ wait?: boolean, signal?: AbortSignal }} [options]
 * @returns {Promise<Lock | null>}
 */
export async function takeLock(ask, locks, name, { wait, signal } = {}) {
  signal?.throwIfAborted();
  const { held, fence } = await ask({ type: "lock", name, wait });
  if (held) return hold(ask, locks, name, fence);
  if (!wait) return null;
  return new Promise((resolve, reject) => {
    const stop = locks.subscribe(
      (holders) => {
        const holder = holders.get(name);
        if (!holder?.mine) return;
        stop();
        signal?.removeEventListener("abort", abort);
        resolve(hold(ask, locks, name, holder.fence));
      },
      { immediate: false },
    );
    const abort = () => {
      stop();
      unlock(ask, name);
      reject(signal?.reason);
    };
    signal?.addEventListener("abort", abort);
  });
}

/** @type {(ask: (frame: Frame) => Promise<Frame>, locks: Readable<ReadonlyMap<string, LockHolder>>, name: string, fence: number) => Lock} */
function hold(ask, locks, name, fence) {
  const isHeld = () => locks.get().get(name)?.fence === fence;
  let wasHeld = isHeld();
  const lost = new Promise((/** @type {(value: void) => void} */ resolve) => {
    const stop = locks.subscribe(
      (holders) => {
        // The news of getting it may come after the answer.
        if (isHeld()) wasHeld = true;
        else if (wasHeld || (holders.get(name)?.fence ?? 0) > fence) {
          stop();
          resolve();
        }
      },
      { immediate: false },
    );
  });
  return { name, fence, lost, release: () => unlock(ask, name) };
}

/** @type {(ask: (frame: Frame) => Promise<Frame>, name: string) => void} */
function unlock(ask, name) {
  // Without a connection the lock ends with grace.
  ask({ type: "unlock", name }).catch(() => {});
}
