import { render } from 'preact';
import 'uplot/dist/uPlot.min.css';
import './style.css';
import { App } from './app.js';
import { Client } from './client.js';
import { readToken } from './session.js';

const place = document.getElementById('app');
if (place !== null) render(<App client={new Client(readToken())} />, place);
