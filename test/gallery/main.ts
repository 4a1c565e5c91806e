// Shows one sample page of the component gallery: ?page=<name>&mode=light|dark. Never part of the product bundle.
import { mount } from 'svelte';
import '#client/lib/messages/app-texts.ts';
import '#client/styles/app.css';
import Gallery from './Gallery.svelte';

const query = new URLSearchParams(location.search);
document.documentElement.dataset['mode'] = query.get('mode') ?? 'light';
mount(Gallery, { target: document.body, props: { page: query.get('page') ?? 'chat' } });
