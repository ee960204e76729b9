document.querySelector('main').dataset.ready = 'true';
