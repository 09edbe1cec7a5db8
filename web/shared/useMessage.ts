import { useCallback, useRef, useState } from 'preact/hooks';

const shownMs = 8_000;

/** A line that tells what was done and goes away by itself. Answers the line as it is now, and how to say the next one. */
export function useMessage(): readonly [string, (told: string) => void] {
  const [message, setMessage] = useState('');
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  const say = useCallback((told: string) => {
    clearTimeout(timer.current);
    setMessage(told);
    timer.current = setTimeout(() => setMessage(''), shownMs);
  }, []);
  return [message, say];
}
