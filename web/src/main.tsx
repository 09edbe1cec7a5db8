import { render } from 'preact';
import { App } from './app.tsx';
import { takeToken } from './session.ts';

const page = document.getElementById('page');
if (page !== null) render(<App firstToken={takeToken()} />, page);
