/** JavaScript's heap beside a program: tracing and planning fill it for a moment, training leaves it nearly idle. */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/**
 * The young generation stays as small as it is. It would grow to 32 MB while a graph is traced and never shrink again; collecting it
 * oftener costs some 5 % of tracing's time.
 */
export const keepYoungSmall = (): void => {
  setFlagsFromString('--semi-space-growth-factor=1')
}

/** Collects what a plan leaves behind, which V8 would put off for as long as there is memory. */
export const collectGarbage = (): void => {
  setFlagsFromString('--expose-gc')
  runInNewContext('gc()')
  setFlagsFromString('--no-expose-gc')
}
