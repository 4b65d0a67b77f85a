/** Training steps on WebGPU. */
import { stepsHold } from './steps.ts'

await stepsHold('gpujs:webgpu', false)
