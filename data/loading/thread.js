// Starts a worker thread from a program that runs as it is written: Node itself does not read TypeScript in every version.
import { register } from 'tsx/esm/api'

register()
await import('./thread.ts')
