import type { DpsGround, DpsReply } from '../dps/dps.js';
import { DpsSession, type Speaker } from '../dps/session.js';
import type { Behaviours } from './behaviours.js';

/** A caller of DPS whose calls go through the behaviours. */
export class BehavedSession extends DpsSession {
  readonly #behaved: (kind: 'register' | 'operation' | 'look-up', serve: () => Promise<DpsReply>) => Promise<DpsReply>;

  constructor(speaker: Speaker, ground: DpsGround, behaviours: Behaviours) {
    super(speaker, ground);
    const { claim, transport } = speaker;
    const { registrationId } = claim;
    this.#behaved = (kind, serve) => behaviours.dps({ service: 'dps', kind, registrationId, transport }, serve, ground.journal);
  }

  override register(body: Uint8Array): Promise<DpsReply> {
    return this.#behaved('register', () => super.register(body));
  }

  override operation(operation: string): Promise<DpsReply> {
    return this.#behaved('operation', () => super.operation(operation));
  }

  override lookUp(body?: Uint8Array): Promise<DpsReply> {
    return this.#behaved('look-up', () => super.lookUp(body));
  }
}
