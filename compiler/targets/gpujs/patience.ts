/** Waiting for a device without taking the processor that its driver may need. */
import { performance } from 'node:perf_hooks'

/** The part of the time waited that may pass before an answer is seen, and the most milliseconds. */
const [share, most] = [0.02, 1]

/**
 * Waits for what a device promises, any number at a time. The package `webgpu` asks its device for news on every turn of the event loop,
 * as fast as it turns: a core is busy with that, which a software driver would compile and compute by. So the loop rests a little on every
 * turn, by a fiftieth of the time that is waited already, and turns on for whatever else there is to do.
 */
export const patience = (): (<A>(answer: Promise<A>) => Promise<A>) => {
  const rest = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT))
  let [waiting, since, turns] = [0, 0, false]
  const turn = (): void => {
    turns = waiting > 0
    if (!turns) return
    Atomics.wait(rest, 0, 0, Math.min(most, share * (performance.now() - since)))
    setImmediate(turn)
  }
  return (answer) => {
    since = performance.now()
    waiting++
    if (!turns) setImmediate(turn)
    turns = true
    return answer.finally(() => {
      waiting--
      since = performance.now()
    })
  }
}
