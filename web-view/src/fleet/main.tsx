import { render } from 'preact';
import 'uplot/dist/uPlot.min.css';
import '../style.css';
import { Client } from '../client.js';
import { readToken } from '../session.js';
import { FleetApp } from './fleet-app.js';

const place = document.getElementById('app');
if (place !== null) render(<FleetApp client={new Client(readToken(), 'The fleet')} />, place);
