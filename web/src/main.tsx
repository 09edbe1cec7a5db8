import { render } from 'preact';
import { App } from './app.tsx';
import { arrivedToken, storedTokenOf } from './session.ts';

const page = document.getElementById('page');
if (page !== null) render(<App firstToken={arrivedToken() ?? storedTokenOf()} />, page);
