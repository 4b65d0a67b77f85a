/** How training ended. */

/**
 * `finished`: all steps are done. `stopped`: a person, or a system, asked for it. `time`: its minutes were over. `early`: a metric no
 * longer improved. `collapsed`: it ended in any of these ways but `stopped`, and a sign of collapse showed to the last step.
 */
export type RunEnding = 'finished' | 'stopped' | 'time' | 'early' | 'collapsed'

/** Where a run ended, in words: `ended early at step 800 of 1500, as …`. `done` of `steps` are done. */
export const endingText = (ending: RunEnding, done: number, steps: number): string => {
  const at = `at step ${done} of ${steps}`
  switch (ending) {
    case 'finished':
      return 'finished'
    case 'stopped':
      return `stopped ${at}`
    case 'time':
      return `its minutes were over ${at}`
    case 'early':
      return `ended early ${at}: no longer improving`
    case 'collapsed':
      return done < steps ? `collapsed; ended ${at}` : 'collapsed'
  }
}
