/** koffi, which calls compiled libraries, with stacks that they need: the settings are one for a process, whoever loads it first. */
import koffi from 'koffi'

/** Calls run on stacks of this size, the largest that koffi takes: its own of 128 KB is too small for kernels' tables and for XLA. */
const stackBytes = 16 << 20

koffi.config({ sync_stack_size: stackBytes, async_stack_size: stackBytes })

export { koffi }
