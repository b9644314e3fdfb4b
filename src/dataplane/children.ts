/** Security associations as the main thread knows them: their places in the core's tables, and who they belong to. */
import { VpnrError } from '../errors.js';
import type { ChildSa } from '../ike/api.js';
import { SELECTORS_MAX } from '../packet/abi.js';
import { IndexPool, SpiPool } from './indices.js';
import type { ChildCommand } from './messages.js';
import { takeBytes } from './secrets.js';

export class ChildTable {
  readonly #post: (command: ChildCommand, transfer?: readonly ArrayBuffer[]) => void;
  readonly #spis = new SpiPool();
  readonly #outbound = new IndexPool();
  /** Installed children by inbound SPI. */
  readonly #children = new Map<number, { path: number; outbound: number }>();

  constructor(post: (command: ChildCommand, transfer?: readonly ArrayBuffer[]) => void) {
    this.#post = post;
  }

  /** Throws ASSOCIATIONS_FULL when all places are taken. */
  allocateSpi(): number {
    return this.#spis.allocate();
  }

  releaseSpi(spi: number): void {
    // One that is installed is freed with its association.
    if (!this.#children.has(spi)) this.#spis.release(spi);
  }

  /**
   * Installs both directions for a client's path or a gateway's peer, and sends on it unless `receiveOnly`. The SPI's place in the
   * core's table must be reserved and free, or another association would be in the way.
   */
  install(path: number, child: ChildSa, receiveOnly: boolean): void {
    if (!this.#spis.has(child.inboundSpi) || this.#children.has(child.inboundSpi)) {
      wipeKeys(child);
      throw new VpnrError('INTERNAL', 'a child with an SPI that is not reserved for it');
    }
    if (child.localSelectors.length > SELECTORS_MAX || child.remoteSelectors.length > SELECTORS_MAX) {
      wipeKeys(child);
      throw new VpnrError(
        'TS_UNACCEPTABLE',
        `the gateway wants more than ${SELECTORS_MAX} traffic selectors`,
        {
          remedy: 'let the gateway offer fewer networks, or larger ones',
        },
      );
    }
    const outbound = this.#outbound.take();
    this.#children.set(child.inboundSpi, { path, outbound });
    const inboundKey = takeBytes(child.inboundKey);
    const outboundKey = takeBytes(child.outboundKey);
    const keys = { ...child, inboundKey, outboundKey };
    this.#post({ type: 'install-child', path, child: keys, outbound, send: !receiveOnly }, [
      inboundKey.buffer,
      outboundKey.buffer,
    ]);
  }

  /** Sends on this installed child of the path or peer from now on. */
  sendOn(path: number, inboundSpi: number): void {
    const child = this.#children.get(inboundSpi);
    if (child?.path !== path) throw new VpnrError('INTERNAL', `path ${path} has no such child`);
    this.#post({ type: 'send-on', path, outbound: child.outbound });
  }

  /** Frees the SPI too. Removing what is not there is no error. */
  remove(inboundSpi: number): void {
    const child = this.#children.get(inboundSpi);
    if (child === undefined) return;
    this.#children.delete(inboundSpi);
    // Commands are carried out in order, so the places may be given out again at once.
    this.#post({ type: 'remove-child', inboundSpi, outbound: child.outbound });
    this.#outbound.giveBack(child.outbound);
    this.#spis.release(inboundSpi);
  }

  /** Removes all children of the path or peer. */
  removeAll(path: number): void {
    for (const [inboundSpi, child] of [...this.#children]) if (child.path === path) this.remove(inboundSpi);
  }
}

function wipeKeys({ inboundKey, outboundKey }: ChildSa): void {
  inboundKey.wipe();
  outboundKey.wipe();
}
