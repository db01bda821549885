import { Buffer } from 'node:buffer';

const slots = 16_384;

/** The slot of a key without braces: CRC-16/XMODEM, as the Cluster specification has it (redis.io/docs/reference/cluster-spec). */
export function slotOf(key: string): number {
  let crc = 0;
  for (const byte of Buffer.from(key)) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit++) crc = (crc & 0x8000) === 0 ? crc << 1 : (crc << 1) ^ 0x1021;
  }
  return (crc & 0xffff) % slots;
}
