import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

const here = fileURLToPath(new URL('.', import.meta.url))

export default defineConfig({
  // the faces of the rooms by their public names, as `paths` in tsconfig.json says
  resolve: {
    alias: [
      { find: /^dinograph$/, replacement: `${here}index.ts` },
      { find: /^dinograph\/(\w+)$/, replacement: `${here}$1/index.ts` },
    ],
  },
  test: {
    include: ['spec/**/*.test.ts'],
    setupFiles: ['spec/support/equality.ts'],
    // many files wait for processes of their own: two at a time, also on two cores
    maxWorkers: Math.max(2, availableParallelism() - 1),
    // graphs are many small objects, most of which do not live long: a seventh of the time of such files
    execArgv: ['--max-semi-space-size=64'],
    // nothing asserts a time: this only ends what hangs, also on a loaded machine
    testTimeout: 300_000,
    hookTimeout: 120_000,
  },
})
