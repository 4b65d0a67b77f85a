/** Training steps on XLA. */
import { stepsHold } from './steps.ts'

await stepsHold('pjrt:cpu', true)
