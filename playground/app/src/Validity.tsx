import { useEffect, useState } from 'react';
import { expiryOf } from './token';

/** Says for how long a token is still good, and counts down. */
export function Validity({ token }: { token: string | null }) {
  const now = useNow();
  const expiry = token && expiryOf(token);
  if (!token) {
    return <span className="validity none">no token</span>;
  }
  if (!expiry) {
    return <span className="validity none">token without an expiry</span>;
  }
  const left = expiry - now;
  return left > 0 ? (
    <span className="validity good">token expires in {duration(left)}</span>
  ) : (
    <span className="validity bad">token expired {duration(-left)} ago</span>
  );
}

/** The time, in milliseconds since 1970, at each whole second: all who show it change at once. */
function useNow(): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setTimeout(() => setNow(Date.now()), 1000 - (Date.now() % 1000));
    return () => clearTimeout(timer);
  }, [now]);
  return now;
}

function duration(milliseconds: number): string {
  const seconds = Math.floor(milliseconds / 1000);
  const hours = Math.floor(seconds / 3600);
  const two = (n: number) => String(n).padStart(2, '0');
  return hours > 0
    ? `${hours}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)} h`
    : `${Math.floor(seconds / 60)}:${two(seconds % 60)} min`;
}
