/** DINOv3's iBOTPatchLoss: the mathematics of DINOv2's. */
export { kind } from './v2_ibot_loss.ts'
