/** How an operation is being answered. */
export interface Answer {
  state: 'running' | 'answered' | 'failed' | 'live' | 'ended';
  /** The status of HTTP, with its words if the connection has them. */
  status?: string;
  milliseconds?: number;
  errors?: number;
  /** How many answers a subscription has had, and when the last of them came. */
  answers?: number;
  at?: Date;
  debug?: Debug;
}

export type Tell = (answer: Answer) => void;

/** extensions.debug, which a server in development adds: see endpoint/debug.go. */
export interface Debug {
  statements: number;
  rows: number;
  milliseconds: number;
  whyNull?: { path: string; reason: string }[];
}

/** The last answer of each tab. */
export class Answers {
  /** The id of the tab that is open. */
  tab = '';
  #byTab = new Map<string, { answer: Answer; tell: Tell }>();
  #listeners = new Set<() => void>();

  subscribe = (listener: () => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  of = (tab: string) => this.#byTab.get(tab)?.answer;

  /** Begins an answer in the tab that is open, and returns a function that tells how it goes on, until another begins there. */
  begin(): Tell {
    const { tab } = this;
    const tell = (answer: Answer) => {
      if (this.#byTab.get(tab)?.tell === tell) {
        this.#set(tab, answer, tell);
      }
    };
    this.#set(tab, { state: 'running' }, tell);
    return tell;
  }

  #set(tab: string, answer: Answer, tell: Tell) {
    this.#byTab.set(tab, { answer, tell });
    this.#listeners.forEach(listener => listener());
  }
}

/** Takes extensions.debug out of a result, so that the rest is what the server answers in production. */
export function takeDebug(result: { extensions?: Record<string, unknown> }): Debug | undefined {
  const { debug, ...others } = result.extensions ?? {};
  if (debug) {
    result.extensions = others;
    if (Object.keys(others).length === 0) {
      delete result.extensions;
    }
  }
  return debug as Debug | undefined;
}
