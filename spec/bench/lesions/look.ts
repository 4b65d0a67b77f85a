/** Where a network looks in slices that come with boxes: all that have one (`--model RUN --data DIR`). */
import { looks, study } from 'dinograph'
import ct from '../../../examples/ct.ts'

export default study(import.meta.url, {
  name: 'look',
  about: 'How well attention finds lesions.',
  trains: ct,
  settings: {},
  show: looks({ judged: 1000, drawn: 8 }),
})
