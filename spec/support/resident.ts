/** The memory of other processes, as Linux counts it. */
import { readFileSync } from 'node:fs'

/** The most resident bytes that a process has had; throws where there is none. */
export const mostResident = (pid: number): number =>
  Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) * 1024
