/** What a run has come to, in a sentence: the numbers beside what they have to beat. */
import { percent } from '../../run/log/numbers.ts'

/** k-NN accuracies in 0..1: at the end, of the untrained network, and of raw pixels. */
export interface Scores {
  readonly after: number
  readonly before: number | undefined
  readonly pixels: number | undefined
}

/** How many points a number of percents is above another, as both are shown. */
const pointsAbove = (a: number, b: number): number => (Math.round(1000 * a) - Math.round(1000 * b)) / 10

const beside = (points: number, name: string): string =>
  points === 0
    ? `level with ${name}`
    : `${Math.abs(points)} point${Math.abs(points) === 1 ? '' : 's'} ${points > 0 ? 'above' : 'below'} ${name}`

const judgement = (gained: number | undefined, ahead: number | undefined): string => {
  if (gained !== undefined && gained <= 0)
    return ' Training has made nothing better: the curves of entropy and spread show whether it collapsed.'
  if (ahead !== undefined && ahead <= 0)
    return ' Images compared pixel by pixel are told apart as well or better: a longer run or other crops may get ahead of that.'
  return gained === undefined || ahead === undefined ? '' : ' Training has paid: it is better than both.'
}

/** `k-NN (k = 20) 93.8 %: 11 points above the untrained network, 0.7 points above raw pixels.` Nothing where there is nothing beside it. */
export const verdict = (name: string, { after, before, pixels }: Scores): string | undefined => {
  const [gained, ahead] = [before, pixels].map((other) => (other === undefined ? undefined : pointsAbove(after, other)))
  const parts = [
    ...(gained === undefined ? [] : [beside(gained, 'the untrained network')]),
    ...(ahead === undefined ? [] : [beside(ahead, 'raw pixels')]),
  ]
  return parts.length === 0 ? undefined : `${name} ${percent(after)}: ${parts.join(', ')}.${judgement(gained, ahead)}`
}
