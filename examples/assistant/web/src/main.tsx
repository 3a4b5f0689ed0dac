import type { Session } from '@supabase/supabase-js';
import { useEffect, useState } from 'react';
import { createRoot } from 'react-dom/client';
import { supabase } from './api';
import { Assistant } from './assistant';
import { SignIn } from './sign-in';
import './style.css';

function App() {
  const [session, setSession] = useState<Session | null>();
  useEffect(() => supabase.auth.onAuthStateChange((_, session) => setSession(session)).data.subscription.unsubscribe, []);
  if (session === undefined) {
    return null; // not known yet
  }
  // The key: another user begins with nothing of this one.
  return session ? <Assistant key={session.user.id} email={session.user.email ?? ''} /> : <SignIn />;
}

createRoot(document.getElementById('root')!).render(<App />);
