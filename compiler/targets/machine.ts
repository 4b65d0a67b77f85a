/** What the machine has for this process. */
import { totalmem } from 'node:os'

/** Bytes of memory: those of the machine, or fewer where a control group (a container, a job of a cluster) has a limit. */
export const memoryBytes = (): number => {
  const limit = process.constrainedMemory()
  return limit > 0 ? Math.min(totalmem(), limit) : totalmem()
}
