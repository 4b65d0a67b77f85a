import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['spec/**/*.test.ts'],
    // nothing asserts a time: this only ends what hangs, also on a loaded machine
    testTimeout: 300_000,
    hookTimeout: 120_000,
  },
})
