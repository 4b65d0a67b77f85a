// Runs programs of the webasm engine, on the main thread and on its workers alike. Plain JavaScript, because a worker
// thread loads this file without a TypeScript loader; its types are in webasm-worker.d.ts.
import { parentPort, workerData } from 'node:worker_threads'

// Words of a program's shared state; behind them a claim counter and a done counter per step.
export const GENERATION = 0
export const CLOSED = 1
export const ACTIVE = 2
export const FAILED = 3
export const HEADER = 4

const spins = 2000

/** Instantiates a compiled kernel over the shared memory. */
export const instantiate = ({ module, math }, memory) => {
  const env = { memory }
  for (const name of math) env[`math_${name}`] = Math[name]
  return new WebAssembly.Instance(module, { env }).exports
}

/**
 * Works through the steps of a program together with the other threads: each claims a piece of a step, runs it, and
 * goes on to the next step when all pieces of this one are done. A thread that comes late finds less left to do, and
 * none waits for a thread that has not claimed anything.
 */
export const walk = (steps, kernels, state) => {
  const claims = HEADER
  const dones = HEADER + steps.length
  for (let s = 0; s < steps.length; s++) {
    const { kernel, addresses, rows, columns, rowParts, columnParts } = steps[s]
    const pieces = rowParts * columnParts
    const { bind, run } = kernels[kernel]
    let bound = false
    for (;;) {
      const piece = Atomics.add(state, claims + s, 1)
      if (piece >= pieces) break
      if (!bound) bind(...addresses)
      bound = true
      const row = Math.floor(piece / columnParts)
      const column = piece % columnParts
      // Columns split at multiples of 4, so that only the last piece has threads that make no SIMD quad.
      const width = Math.ceil(columns / columnParts / 4) * 4
      try {
        run(
          Math.floor((rows * row) / rowParts),
          Math.floor((rows * (row + 1)) / rowParts),
          Math.min(columns, width * column),
          Math.min(columns, width * (column + 1)),
        )
      } catch (e) {
        Atomics.store(state, FAILED, 1)
        throw e
      }
      if (Atomics.add(state, dones + s, 1) + 1 === pieces) Atomics.notify(state, dones + s)
    }
    for (let n = 0; ; n++) {
      const done = Atomics.load(state, dones + s)
      if (done >= pieces) break
      if (Atomics.load(state, FAILED) !== 0) return
      if (n > spins) Atomics.wait(state, dones + s, done, 1)
    }
  }
}

if (workerData?.dinograph === 'webasm') {
  const { memory } = workerData
  const kernels = new Map()
  const programs = new Map()
  parentPort.on('message', (message) => {
    if (message.type === 'program') {
      for (const { id, code } of message.kernels) {
        if (!kernels.has(id)) kernels.set(id, instantiate(code, memory))
      }
      programs.set(message.id, { ...message, kernels: message.kernels.map(({ id }) => kernels.get(id)) })
      return
    }
    const { steps, kernels: own, state } = programs.get(message.id)
    Atomics.add(state, ACTIVE, 1)
    try {
      // A run that is over already must not be entered: its counters may belong to the next one by now.
      if (Atomics.load(state, GENERATION) === message.generation && Atomics.load(state, CLOSED) === 0) walk(steps, own, state)
    } catch {
      // `walk` has marked the run as failed; the main thread reports it.
    } finally {
      Atomics.sub(state, ACTIVE, 1)
      Atomics.notify(state, ACTIVE)
    }
  })
}
