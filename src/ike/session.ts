// A session as the rest of the program sees it.
//
// The outputs of a call are to be carried out in their order. It says that a child can receive (`child-up`) before the
// peer learns of it (`send`), that sending moves (`child-up`, `child-send`) before the child that was used is deleted
// (`send`), and that a child goes down (`child-down`) after all of that. `closed` is the last output of a session.
import type {
  Endpoint,
  IkeEnvironment,
  IkeOutput,
  IkeSession,
  InitiatorOptions,
  ResponderOptions,
  RetransmitTiming,
} from './api.js';
import { Children } from './children.js';
import { Context, DEFAULT_FRAGMENT_SIZE, DEFAULT_LIMITS, type Settings } from './context.js';
import { Established } from './established.js';
import { DEFAULT_TIMING } from './exchange.js';
import type { Handshake, Outcome } from './handshake.js';
import { parseHeader } from './message.js';
import { IkeSyntaxError } from './syntax.js';

export class Session implements IkeSession {
  readonly #context: Context;
  /** Called when an established session is over. */
  readonly #release: ((established: Extract<Outcome, { type: 'established' }>) => void) | undefined;
  #handshake: Handshake | undefined;
  #established: Established | undefined;
  #agreed: Extract<Outcome, { type: 'established' }> | undefined;
  #state: IkeSession['state'] = 'idle';

  constructor(
    context: Context,
    handshake: Handshake,
    release?: (established: Extract<Outcome, { type: 'established' }>) => void,
  ) {
    this.#context = context;
    this.#handshake = handshake;
    this.#release = release;
  }

  get state(): IkeSession['state'] {
    return this.#state;
  }

  /** Our SPIs of the session's IKE SAs: what is for it bears one of them. */
  get spis(): bigint[] {
    return this.#established?.spis ?? this.#handshake?.spis ?? [];
  }

  get mobike(): boolean {
    return this.#established?.mobility !== undefined;
  }

  get understandsDrain(): boolean {
    return this.#established?.understandsDrain === true;
  }

  /** New messages since it was established that proved to be the peer's: no forgeries, no repetitions. */
  get heard(): number {
    return this.#established?.heard ?? 0;
  }

  start(now: number): IkeOutput[] {
    if (this.#state !== 'idle') return [];
    this.#state = 'connecting';
    return this.#call(now, () => this.#handshake?.start());
  }

  receive(datagram: Uint8Array, now: number, from?: Endpoint): IkeOutput[] {
    if (this.#state === 'closed') return [];
    this.#context.from = from ?? this.#context.remote;
    return this.#call(now, () => {
      try {
        const header = parseHeader(datagram);
        if (this.#established !== undefined) this.#established.receive(datagram, header);
        else this.#handshake?.receive(datagram, header);
        if (this.#state === 'idle' && this.nextTimer() !== undefined) this.#state = 'connecting';
      } catch (error) {
        // Not authenticated: from anyone.
        if (!(error instanceof IkeSyntaxError)) throw error;
        this.#context.ignore(error.message);
      }
    });
  }

  tick(now: number): IkeOutput[] {
    return this.#call(now, () => {
      this.#handshake?.tick();
      this.#established?.tick();
    });
  }

  nextTimer(): number | undefined {
    const next = this.#established?.nextTimer() ?? this.#handshake?.nextTimer() ?? Number.POSITIVE_INFINITY;
    return Number.isFinite(next) ? next : undefined;
  }

  probe(now: number): IkeOutput[] {
    return this.#call(now, () => this.#established?.probe());
  }

  repeat(now: number): IkeOutput[] {
    return this.#call(now, () => this.#established?.repeat());
  }

  moved(local: Endpoint, now: number): IkeOutput[] {
    this.#context.local = local;
    return this.#call(now, () => this.#established?.moved());
  }

  drain(now: number): IkeOutput[] {
    return this.#call(now, () => this.#established?.drain());
  }

  rekeyIke(now: number): IkeOutput[] {
    return this.#call(now, () => this.#established?.rekeyIke());
  }

  rekeyChild(now: number): IkeOutput[] {
    return this.#call(now, () => this.#established?.rekeyChild());
  }

  close(now: number): IkeOutput[] {
    if (this.#state === 'closed') return [];
    return this.#call(now, () => {
      if (this.#established !== undefined) this.#established.close();
      else this.#context.emit({ type: 'closed', byPeer: false, message: 'closed' });
    });
  }

  #call(now: number, action: () => void): IkeOutput[] {
    this.#context.now = now;
    action();
    const outcome = this.#handshake?.outcome;
    if (outcome !== undefined) this.#conclude(outcome);
    const outputs = this.#context.take();
    if (outputs.some(({ type }) => type === 'closed')) this.#end();
    return outputs;
  }

  #conclude(outcome: Outcome): void {
    this.#handshake?.end();
    this.#handshake = undefined;
    if (outcome.type === 'failed') {
      const { code, message } = outcome;
      this.#context.emit({ type: 'closed', byPeer: false, code, message });
      return;
    }
    const { sa, child, peerIdentity, configuration, initialContact, response } = outcome;
    this.#state = 'established';
    this.#agreed = outcome;
    this.#context.emit({
      type: 'established',
      peerIdentity,
      configuration,
      proposal: sa.proposal,
      ...(initialContact ? { initialContact } : {}),
    });
    const children = new Children(this.#context);
    if (child !== undefined) children.add(child, 'main');
    this.#context.send(response);
    this.#established = new Established(this.#context, sa, children, outcome);
  }

  #end(): void {
    this.#state = 'closed';
    this.#handshake?.end();
    this.#handshake = undefined;
    this.#established = undefined;
    if (this.#agreed !== undefined) this.#release?.(this.#agreed);
    this.#agreed = undefined;
  }
}

/** A context for either role. */
export function makeContext(
  options: InitiatorOptions | ResponderOptions,
  env: IkeEnvironment,
  peer: Settings['peer'],
): Context {
  const timing: RetransmitTiming = { ...DEFAULT_TIMING, ...options.timing };
  const { ike, esp, lifetimes, fragmentSize = DEFAULT_FRAGMENT_SIZE } = options;
  const limits = ('limits' in options && options.limits) || DEFAULT_LIMITS;
  return new Context({ ike, esp, lifetimes, timing, limits, fragmentSize, peer }, env, options);
}
