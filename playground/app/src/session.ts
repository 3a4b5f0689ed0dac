import { createContext, useContext, useSyncExternalStore } from 'react';
import { expiryOf } from './token';
import type { Source } from './sources';

/** Who requests are made as. */
export interface Caller {
  /** Changes when the user chooses another caller, and not when a token is renewed. */
  choice: number;
  /** The name of the chosen identity, an address, or '' for nobody. */
  name: string;
  token: string | null;
  busy: boolean;
  failure: string | null;
}

// A token is renewed this long before it expires, or at half its life if that is later.
const renewBefore = 60_000;
// setTimeout takes no more than 24.8 days. A token that lives longer is renewed before a request.
const longestTimer = 24 * 3600_000;

/**
 * The caller and their token. Tokens are kept here and nowhere else: not in storage, not in an address, not in the
 * header editor, whose content would be kept in a tab.
 */
export class Session {
  #caller: Caller = { choice: 0, name: '', token: null, busy: false, failure: null };
  #listeners = new Set<() => void>();
  #pending: Promise<void> | null = null;
  #source: Source | null = null;
  #renewAt = Infinity;
  #timer: ReturnType<typeof setTimeout> | undefined;

  subscribe = (listener: () => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  caller = () => this.#caller;

  /** Acts as whom the source gives tokens for. If it fails, nobody is signed in, and the failure is shown. */
  signIn(name: string, source: Source): Promise<void> {
    this.#change({ choice: this.#caller.choice + 1, name, token: null, busy: true, failure: null });
    this.#keep(null, null);
    return this.#fetch(source);
  }

  /** Acts with a token that cannot be renewed, or as nobody. */
  use(name: string, token: string | null) {
    this.#pending = null;
    this.#change({ choice: this.#caller.choice + 1, name, token, busy: false, failure: null });
    this.#keep(token, null);
  }

  /** The token for a request that is about to be sent, renewed if need be. */
  async token(): Promise<string | null> {
    while (this.#pending) {
      await this.#pending; // another caller may be chosen meanwhile
    }
    await this.#renewIfDue();
    return this.#caller.token;
  }

  #fetch(source: Source): Promise<void> {
    const { choice } = this.#caller;
    // Whoever has been chosen since then is not disturbed.
    const isCurrent = () => choice === this.#caller.choice;
    const pending = source()
      .then(token => {
        if (isCurrent()) {
          this.#change({ token, busy: false, failure: null });
          this.#keep(token, source);
        }
      })
      .catch((error: Error) => {
        // A renewal that failed is tried again before the next request.
        if (isCurrent()) {
          this.#change({ busy: false, failure: error.message });
        }
      })
      .finally(() => {
        if (this.#pending === pending) {
          this.#pending = null;
        }
      });
    this.#pending = pending;
    return pending;
  }

  /** Remembers when the token is to be renewed. One that has expired before it came is meant to be so. */
  #keep(token: string | null, source: Source | null) {
    const life = ((token && expiryOf(token)) || 0) - Date.now();
    this.#source = source;
    this.#renewAt = source && life > 0 ? Date.now() + Math.max(life - renewBefore, life / 2) : Infinity;
    clearTimeout(this.#timer);
    if (this.#renewAt < Infinity) {
      const wait = Math.min(this.#renewAt - Date.now(), longestTimer);
      this.#timer = setTimeout(() => void this.#renewIfDue(), wait);
    }
  }

  async #renewIfDue() {
    if (this.#source && Date.now() >= this.#renewAt) {
      await (this.#pending ?? this.#fetch(this.#source));
    }
  }

  #change(change: Partial<Caller>) {
    this.#caller = { ...this.#caller, ...change };
    this.#listeners.forEach(listener => listener());
  }
}

export const SessionContext = createContext<Session | null>(null);

export function useSession(): Session {
  const session = useContext(SessionContext);
  if (!session) {
    throw new Error('there is no SessionContext above');
  }
  return session;
}

export function useCaller(): Caller {
  const session = useSession();
  return useSyncExternalStore(session.subscribe, session.caller);
}
