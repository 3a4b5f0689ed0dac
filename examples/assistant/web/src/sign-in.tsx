import { useState } from 'react';
import { supabase } from './api';

export function SignIn() {
  const [problem, setProblem] = useState('');
  async function signIn(form: FormData) {
    const { error } = await supabase.auth.signInWithPassword({
      email: String(form.get('email')),
      password: String(form.get('password')),
    });
    setProblem(error?.message ?? '');
  }
  return (
    <main className="sign-in">
      <h1>Sign in</h1>
      <form action={signIn}>
        <label>
          Email
          <input name="email" type="email" autoComplete="username" required />
        </label>
        <label>
          Password
          <input name="password" type="password" autoComplete="current-password" required />
        </label>
        <button>Sign in</button>
        <p role="alert">{problem}</p>
      </form>
      <p className="quiet">With go run . dev: ada@example.com, password usergraph-dev.</p>
    </main>
  );
}
